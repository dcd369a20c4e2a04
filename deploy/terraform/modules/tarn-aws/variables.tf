variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "prefix" {
  description = "Folder of the bucket that is Tarn's. Empty: all of it."
  type        = string
  default     = "tarn"
}

variable "region" {
  description = "Region of the bucket, for Tarn; that of the provider decides where it is made."
  type        = string
}

variable "kms_key_arn" {
  description = "A key of KMS that encrypts the bucket. Empty: the key that AWS manages for S3."
  type        = string
  default     = ""
}

variable "log_bucket" {
  description = "Bucket that takes the access logs of S3. Empty: none are written."
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

variable "oidc_provider_arn" {
  description = "The identity provider of the EKS cluster, for IRSA. Empty: EKS Pod Identity; then name the cluster, and open its agent (169.254.170.23, port 80) in the chart's networkPolicy.egress."
  type        = string
  default     = ""
}

variable "cluster_name" {
  description = "The EKS cluster, for Pod Identity."
  type        = string
  default     = ""
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

variable "role_name" {
  description = "Name of the role."
  type        = string
  default     = "tarn"
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
