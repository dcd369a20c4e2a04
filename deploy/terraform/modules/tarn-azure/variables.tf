variable "resource_group" {
  description = "Resource group of account and identity."
  type        = string
}

variable "location" {
  description = "Region."
  type        = string
}

variable "account" {
  description = "Name of the storage account, unique in all of Azure."
  type        = string
}

variable "container" {
  description = "Name of the container."
  type        = string
  default     = "tarn"
}

variable "prefix" {
  description = "Folder of the container that is Tarn's. Empty: all of it."
  type        = string
  default     = ""
}

variable "replication" {
  description = "How often Azure keeps each byte: LRS, ZRS, GRS, GZRS."
  type        = string
  default     = "ZRS"
}

variable "subnet_ids" {
  description = "Subnets of the cluster, which alone reach the account. Empty: whoever has the right, from anywhere."
  type        = list(string)
  default     = []
}

variable "old_versions_days" {
  description = "How long the account keeps what Tarn deleted: the way back from a mistake that took longer to be seen than retention.history."
  type        = number
  default     = 7
}

variable "oidc_issuer_url" {
  description = "The OIDC issuer of the AKS cluster."
  type        = string
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

variable "identity_name" {
  description = "Name of the managed identity."
  type        = string
  default     = "tarn"
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = {}
}
