# Names of identities at Google. No provider, so `terraform test` needs nothing but terraform.

terraform {
  required_version = ">= 1.9"
}

variable "project" {
  description = "Project of cluster and account."
  type        = string
}

variable "account_id" {
  description = "Name of the service account at Google."
  type        = string

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{4,28}[a-z0-9])$", var.account_id))
    error_message = "Google wants 6 to 30 letters, digits and dashes, a letter first."
  }
}

variable "namespace" {
  description = "Namespace of the service account in the cluster."
  type        = string
}

variable "service_account" {
  description = "Its name."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "prefix" {
  description = "Folder of the bucket that is Tarn's, without slashes around it. Empty: all of it."
  type        = string
  default     = ""

  validation {
    condition     = !startswith(var.prefix, "/") && !endswith(var.prefix, "/")
    error_message = "A prefix such as production/tarn: no slash around it."
  }
}

output "member" {
  description = "Who may act as the account: one service account of one namespace."
  value       = "serviceAccount:${var.project}.svc.id.goog[${var.namespace}/${var.service_account}]"
}

output "annotations" {
  description = "What the service account in the cluster says."
  value       = { "iam.gke.io/gcp-service-account" = "${var.account_id}@${var.project}.iam.gserviceaccount.com" }
}

output "url" {
  description = "storage.url."
  value       = join("/", compact(["gs://${var.bucket}", var.prefix]))
}
