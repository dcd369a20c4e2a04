variable "name" {
  description = "Name of the release."
  type        = string
  default     = "tarn"
}

variable "namespace" {
  description = "Namespace of the release; made if absent."
  type        = string
  default     = "observability"
}

variable "chart" {
  description = "Folder, archive or oci:// address of the chart. Empty: the chart beside this module."
  type        = string
  default     = ""
}

variable "chart_version" {
  description = "Version of a chart that comes from a registry."
  type        = string
  default     = null
}

variable "values" {
  description = "Values of the chart that no variable has, laid over the others."
  type        = any
  default     = {}
}

variable "timeout" {
  description = "Seconds until a release that is not ready has failed. A long log is replayed first."
  type        = number
  default     = 900
}

variable "image" {
  description = "Where the image lies. A digest wins over the tag; without both the tag is the chart's own version."
  type = object({
    repository = string
    tag        = optional(string, "")
    digest     = optional(string, "")
  })
}

variable "storage" {
  description = "What a module of a cloud gives as `storage`: settings of the section storage of tarn.yaml. Empty: rows stay in the volume."
  type        = map(string)
  default     = {}
}

variable "config" {
  description = "Other sections of tarn.yaml, by the names of src/config/reference.md."
  type        = any
  default     = {}
}

variable "identity" {
  description = "What a module of a cloud gives as `identity`: annotations of the service account, labels of the pod."
  type = object({
    annotations = optional(map(string), {})
    pod_labels  = optional(map(string), {})
  })
  default = {}
}

variable "volume" {
  description = "The volume: the log and what waits for the bucket, or all rows when there is none."
  type = object({
    size          = optional(string, "50Gi")
    storage_class = optional(string, "")
  })
  default = {}
}

variable "resources" {
  description = "Of the pod; Tarn takes its memory budget from the limit."
  type = object({
    cpu          = optional(string, "250m")
    memory       = optional(string, "1Gi")
    memory_limit = optional(string, "2Gi")
  })
  default = {}
}

variable "auth_secret" {
  description = "A Secret with auth.yaml and its keys. Empty: the chart makes one, and keeps its keys."
  type        = string
  default     = ""
}

variable "tls_secret" {
  description = "A Secret of type kubernetes.io/tls. Empty: no TLS inside the cluster."
  type        = string
  default     = ""
}

variable "host" {
  description = "Name under which an Ingress shows the pages. Empty: none."
  type        = string
  default     = ""
}

variable "ingress_class" {
  description = "Class of that Ingress. Empty: the default of the cluster."
  type        = string
  default     = ""
}

variable "monitoring" {
  description = "Whether a Prometheus Operator scrapes it and has its alerts."
  type        = bool
  default     = false
}

variable "network_policy" {
  description = "Whether nothing gets in or out but what the chart lists."
  type        = bool
  default     = true
}
