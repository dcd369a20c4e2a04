# A bucket that nobody else reads, and the account by which the pod does. Names are worked out in ./identity, which has
# tests.

module "identity" {
  source = "./identity"

  project         = var.project
  account_id      = var.account_id
  namespace       = var.namespace
  service_account = var.service_account
  bucket          = google_storage_bucket.tarn.name
  prefix          = var.prefix
}

resource "google_storage_bucket" "tarn" {
  #checkov:skip=CKV_GCP_62:Access logs are written where log_bucket names a bucket
  project                     = var.project
  name                        = var.bucket
  location                    = var.location
  force_destroy               = var.force_destroy
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  labels                      = var.labels

  versioning {
    enabled = true
  }

  # Never what is live: Tarn's catalog says what may go, and retention deletes it.
  lifecycle_rule {
    condition {
      days_since_noncurrent_time = var.old_versions_days
      with_state                 = "ARCHIVED"
    }
    action {
      type = "Delete"
    }
  }
  lifecycle_rule {
    condition {
      age = 2
    }
    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  dynamic "encryption" {
    for_each = compact([var.kms_key])
    content {
      default_kms_key_name = encryption.value
    }
  }

  dynamic "logging" {
    for_each = compact([var.log_bucket])
    content {
      log_bucket        = logging.value
      log_object_prefix = var.bucket
    }
  }
}

resource "google_service_account" "tarn" {
  project      = var.project
  account_id   = var.account_id
  display_name = "Tarn reads and writes its bucket"
}

resource "google_storage_bucket_iam_member" "tarn" {
  bucket = google_storage_bucket.tarn.name
  role   = "roles/storage.objectUser"
  member = google_service_account.tarn.member
}

resource "google_service_account_iam_member" "tarn" {
  service_account_id = google_service_account.tarn.name
  role               = "roles/iam.workloadIdentityUser"
  member             = module.identity.member
}
