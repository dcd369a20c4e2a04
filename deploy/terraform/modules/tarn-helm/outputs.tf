output "namespace" {
  description = "Where it runs."
  value       = helm_release.tarn.namespace
}

output "url" {
  description = "Where Grafana and other pods of the cluster find the API."
  value       = "${var.tls_secret == "" ? "http" : "https"}://${local.service}.${helm_release.tarn.namespace}.svc:4320"
}

output "otlp_grpc" {
  description = "Where SDKs and collectors send, by gRPC."
  value       = "${local.service}.${helm_release.tarn.namespace}.svc:4317"
}

output "auth_secret" {
  description = "The Secret that has the keys: admin-token, ingest-token, viewer-token."
  value       = var.auth_secret == "" ? "${local.service}-auth" : var.auth_secret
}

locals {
  # As the chart names it.
  service = strcontains(helm_release.tarn.name, "tarn") ? helm_release.tarn.name : "${helm_release.tarn.name}-tarn"
}
