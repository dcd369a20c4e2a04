# Names at Azure. No provider, so `terraform test` needs nothing but terraform.

terraform {
  required_version = ">= 1.9"
}

variable "account" {
  description = "Name of the storage account."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{3,24}$", var.account))
    error_message = "Azure wants 3 to 24 small letters and digits."
  }
}

variable "container" {
  description = "Name of the container."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9](-?[a-z0-9]){2,62}$", var.container))
    error_message = "Azure wants 3 to 63 small letters, digits and single dashes."
  }
}

variable "prefix" {
  description = "Folder of the container that is Tarn's, without slashes around it. Empty: all of it."
  type        = string
  default     = ""

  validation {
    condition     = !startswith(var.prefix, "/") && !endswith(var.prefix, "/")
    error_message = "A prefix such as production/tarn: no slash around it."
  }
}

variable "namespace" {
  description = "Namespace of the service account."
  type        = string
}

variable "service_account" {
  description = "Name of the service account."
  type        = string
}

output "storage" {
  description = "The section storage of tarn.yaml."
  value = {
    url           = join("/", compact(["az://${var.container}", var.prefix]))
    azure_account = var.account
  }
}

output "subject" {
  description = "Whose tokens are taken: those of one service account of one namespace."
  value       = "system:serviceaccount:${var.namespace}:${var.service_account}"
}
