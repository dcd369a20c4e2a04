# A bucket that nobody else reads, and the role by which the pod does. The policies are worked out in ./policy, which has
# tests.

module "policy" {
  source = "./policy"

  bucket_arn        = aws_s3_bucket.tarn.arn
  prefix            = var.prefix
  kms_key_arn       = var.kms_key_arn
  oidc_provider_arn = var.oidc_provider_arn
  namespace         = var.namespace
  service_account   = var.service_account
}

resource "aws_s3_bucket" "tarn" {
  #checkov:skip=CKV_AWS_144:A second region doubles the costs; it is decided where the need is known
  #checkov:skip=CKV2_AWS_62:Nobody waits for events of this bucket
  #checkov:skip=CKV_AWS_18:Access logs are written where log_bucket names a bucket
  #checkov:skip=CKV_AWS_19:It is encrypted by either key, below; checkov does not follow the choice
  #checkov:skip=CKV_AWS_145:The key of KMS is a choice: kms_key_arn
  bucket        = var.bucket
  force_destroy = var.force_destroy
  tags          = var.tags
}

resource "aws_s3_bucket_ownership_controls" "tarn" {
  bucket = aws_s3_bucket.tarn.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_public_access_block" "tarn" {
  bucket                  = aws_s3_bucket.tarn.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_versioning" "tarn" {
  bucket = aws_s3_bucket.tarn.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "tarn" {
  bucket = aws_s3_bucket.tarn.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key_arn == "" ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key_arn == "" ? null : var.kms_key_arn
    }
  }
}

# Never what is live: Tarn's catalog says what may go, and retention deletes it.
resource "aws_s3_bucket_lifecycle_configuration" "tarn" {
  bucket     = aws_s3_bucket.tarn.id
  depends_on = [aws_s3_bucket_versioning.tarn]

  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = var.old_versions_days
    }
    expiration {
      expired_object_delete_marker = true
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 2
    }
  }
}

resource "aws_s3_bucket_policy" "tarn" {
  bucket     = aws_s3_bucket.tarn.id
  policy     = module.policy.transport
  depends_on = [aws_s3_bucket_public_access_block.tarn]
}

resource "aws_s3_bucket_logging" "tarn" {
  count         = var.log_bucket == "" ? 0 : 1
  bucket        = aws_s3_bucket.tarn.id
  target_bucket = var.log_bucket
  target_prefix = "${var.bucket}/"
}

resource "aws_iam_role" "tarn" {
  name               = var.role_name
  description        = "Tarn reads and writes its bucket"
  assume_role_policy = module.policy.trust
  tags               = var.tags
}

resource "aws_iam_role_policy" "tarn" {
  name   = "bucket"
  role   = aws_iam_role.tarn.id
  policy = module.policy.access
}

resource "aws_eks_pod_identity_association" "tarn" {
  count           = var.oidc_provider_arn == "" ? 1 : 0
  cluster_name    = var.cluster_name
  namespace       = var.namespace
  service_account = var.service_account
  role_arn        = aws_iam_role.tarn.arn
  tags            = var.tags
}
