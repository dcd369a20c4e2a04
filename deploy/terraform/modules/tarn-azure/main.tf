# A container that nobody else reads, and the identity by which the pod does. Names are worked out in ./names, which has
# tests.

module "names" {
  source = "./names"

  account         = var.account
  container       = var.container
  prefix          = var.prefix
  namespace       = var.namespace
  service_account = var.service_account
}

resource "azurerm_storage_account" "tarn" {
  #checkov:skip=CKV2_AZURE_1:The keys are Azure's own; a key of one's own is decided where the need is known
  #checkov:skip=CKV2_AZURE_33:A private endpoint is part of a network that is not made here; subnet_ids closes the account
  #checkov:skip=CKV_AZURE_33:There are no queues
  #checkov:skip=CKV_AZURE_35:subnet_ids closes the account to all others
  #checkov:skip=CKV_AZURE_59:subnet_ids closes the account to all others
  #checkov:skip=CKV_AZURE_206:ZRS keeps three copies in three zones; replication says more
  #checkov:skip=CKV2_AZURE_41:There are no tokens of the account: its keys are off
  name                            = var.account
  resource_group_name             = var.resource_group
  location                        = var.location
  account_kind                    = "StorageV2"
  account_tier                    = "Standard"
  account_replication_type        = var.replication
  min_tls_version                 = "TLS1_2"
  https_traffic_only_enabled      = true
  allow_nested_items_to_be_public = false
  shared_access_key_enabled       = false
  default_to_oauth_authentication = true
  local_user_enabled              = false
  tags                            = var.tags

  network_rules {
    default_action             = length(var.subnet_ids) == 0 ? "Allow" : "Deny"
    virtual_network_subnet_ids = var.subnet_ids
    bypass                     = ["AzureServices"]
  }

  blob_properties {
    versioning_enabled = true
    delete_retention_policy {
      days = var.old_versions_days
    }
    container_delete_retention_policy {
      days = var.old_versions_days
    }
  }
}

resource "azurerm_storage_container" "tarn" {
  #checkov:skip=CKV2_AZURE_21:Reads are logged by a diagnostic setting, which needs a workspace that is not made here
  name                  = var.container
  storage_account_id    = azurerm_storage_account.tarn.id
  container_access_type = "private"
}

# Never what is live: Tarn's catalog says what may go, and retention deletes it.
resource "azurerm_storage_management_policy" "tarn" {
  storage_account_id = azurerm_storage_account.tarn.id

  rule {
    name    = "old-versions"
    enabled = true
    filters {
      blob_types   = ["blockBlob"]
      prefix_match = ["${var.container}/"]
    }
    actions {
      version {
        delete_after_days_since_creation = var.old_versions_days
      }
    }
  }
}

resource "azurerm_user_assigned_identity" "tarn" {
  name                = var.identity_name
  resource_group_name = var.resource_group
  location            = var.location
  tags                = var.tags
}

resource "azurerm_federated_identity_credential" "tarn" {
  name                = var.identity_name
  resource_group_name = var.resource_group
  parent_id           = azurerm_user_assigned_identity.tarn.id
  audience            = ["api://AzureADTokenExchange"]
  issuer              = var.oidc_issuer_url
  subject             = module.names.subject
}

resource "azurerm_role_assignment" "tarn" {
  scope                = azurerm_storage_container.tarn.id
  role_definition_name = "Storage Blob Data Contributor"
  principal_id         = azurerm_user_assigned_identity.tarn.principal_id
}
