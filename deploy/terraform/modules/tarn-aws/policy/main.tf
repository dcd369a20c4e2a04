# What the role may do and who may take it. No provider, so `terraform test` needs nothing but terraform.

terraform {
  required_version = ">= 1.9"
}

variable "bucket_arn" {
  description = "The bucket."
  type        = string
}

variable "prefix" {
  description = "Folder of the bucket that is Tarn's, without slashes around it. Empty: all of it."
  type        = string
  default     = ""

  validation {
    condition     = !startswith(var.prefix, "/") && !endswith(var.prefix, "/") && !strcontains(var.prefix, "*")
    error_message = "A prefix such as production/tarn: no slash around it, no asterisk."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts the bucket. Empty: S3's own."
  type        = string
  default     = ""
}

variable "oidc_provider_arn" {
  description = "The identity provider of the EKS cluster, for IRSA. Empty: EKS Pod Identity."
  type        = string
  default     = ""
}

variable "namespace" {
  description = "Namespace of the service account."
  type        = string
}

variable "service_account" {
  description = "Name of the service account."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", var.service_account))
    error_message = "One service account, not a pattern."
  }
}

locals {
  objects = var.prefix == "" ? "${var.bucket_arn}/*" : "${var.bucket_arn}/${var.prefix}/*"
  issuer  = var.oidc_provider_arn == "" ? "" : split("oidc-provider/", var.oidc_provider_arn)[1]

  list = {
    Sid      = "List"
    Effect   = "Allow"
    Action   = "s3:ListBucket"
    Resource = var.bucket_arn
  }
  rows = {
    Sid      = "Rows"
    Effect   = "Allow"
    Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    Resource = local.objects
  }
  key = {
    Sid      = "Key"
    Effect   = "Allow"
    Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
    Resource = var.kms_key_arn
  }

  web_identity = {
    Effect    = "Allow"
    Principal = { Federated = var.oidc_provider_arn }
    Action    = "sts:AssumeRoleWithWebIdentity"
    Condition = {
      StringEquals = {
        "${local.issuer}:aud" = "sts.amazonaws.com"
        "${local.issuer}:sub" = "system:serviceaccount:${var.namespace}:${var.service_account}"
      }
    }
  }
  pod_identity = {
    Effect    = "Allow"
    Principal = { Service = "pods.eks.amazonaws.com" }
    Action    = ["sts:AssumeRole", "sts:TagSession"]
  }
}

output "access" {
  description = "Rights of the role, as JSON."
  value = var.kms_key_arn == "" ? jsonencode({ Version = "2012-10-17", Statement = [local.list, local.rows] }) : jsonencode({
    Version = "2012-10-17", Statement = [local.list, local.rows, local.key]
  })
}

output "trust" {
  description = "Who may take the role, as JSON."
  value = var.oidc_provider_arn == "" ? jsonencode({ Version = "2012-10-17", Statement = [local.pod_identity] }) : jsonencode({
    Version = "2012-10-17", Statement = [local.web_identity]
  })
}

output "transport" {
  description = "Policy of the bucket: nobody reads or writes without TLS, as JSON."
  value = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [var.bucket_arn, "${var.bucket_arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
