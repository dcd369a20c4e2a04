output "storage" {
  description = "Settings of the section storage of tarn.yaml: `storage` of the module tarn-helm."
  value = {
    url    = join("/", compact(["s3://${aws_s3_bucket.tarn.bucket}", var.prefix]))
    region = var.region
  }
}

output "identity" {
  description = "`identity` of the module tarn-helm."
  value = {
    annotations = var.oidc_provider_arn == "" ? {} : { "eks.amazonaws.com/role-arn" = aws_iam_role.tarn.arn }
  }
}

output "role_arn" {
  description = "The role."
  value       = aws_iam_role.tarn.arn
}
