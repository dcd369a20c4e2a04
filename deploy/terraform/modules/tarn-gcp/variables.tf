variable "project" {
  description = "Project of bucket, account and cluster."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "location" {
  description = "Where the bucket lies: a region, or EU, US, ASIA."
  type        = string
}

variable "prefix" {
  description = "Folder of the bucket that is Tarn's. Empty: all of it."
  type        = string
  default     = "tarn"
}

variable "kms_key" {
  description = "A key of Cloud KMS that encrypts the bucket. Empty: Google's own."
  type        = string
  default     = ""
}

variable "log_bucket" {
  description = "Bucket that takes the access logs. Empty: none are written."
  type        = string
  default     = ""
}

variable "old_versions_days" {
  description = "How long the bucket keeps what Tarn deleted: the way back from a mistake that took longer to be seen than retention.history."
  type        = number
  default     = 7
}

variable "force_destroy" {
  description = "Whether `terraform destroy` may take the rows along."
  type        = bool
  default     = false
}

variable "account_id" {
  description = "Name of the service account that is made at Google."
  type        = string
  default     = "tarn-storage"
}

variable "namespace" {
  description = "Namespace of the release."
  type        = string
  default     = "observability"
}

variable "service_account" {
  description = "Service account of the release: its name, as the chart gives it."
  type        = string
  default     = "tarn"
}

variable "labels" {
  description = "Labels of the bucket."
  type        = map(string)
  default     = {}
}
