output "storage" {
  description = "Settings of the section storage of tarn.yaml: `storage` of the module tarn-helm."
  value       = module.names.storage
}

output "identity" {
  description = "`identity` of the module tarn-helm."
  value = {
    annotations = { "azure.workload.identity/client-id" = azurerm_user_assigned_identity.tarn.client_id }
    pod_labels  = { "azure.workload.identity/use" = "true" }
  }
}

output "client_id" {
  description = "The identity."
  value       = azurerm_user_assigned_identity.tarn.client_id
}
