output "storage" {
  description = "Settings of the section storage of tarn.yaml: `storage` of the module tarn-helm."
  value       = { url = module.identity.url }
}

output "identity" {
  description = "`identity` of the module tarn-helm."
  value       = { annotations = module.identity.annotations }
}

output "account" {
  description = "The account at Google."
  value       = google_service_account.tarn.email
}
