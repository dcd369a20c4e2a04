variables {
  account         = "exampletarn"
  container       = "tarn"
  namespace       = "observability"
  service_account = "tarn"
}

run "what_tarn_is_told" {
  command = plan
  assert {
    condition     = output.storage == { url = "az://tarn", azure_account = "exampletarn" }
    error_message = "Container and account."
  }
  assert {
    condition     = output.subject == "system:serviceaccount:observability:tarn"
    error_message = "One service account."
  }
}

run "a_prefix" {
  command = plan
  variables {
    prefix = "production"
  }
  assert {
    condition     = output.storage.url == "az://tarn/production"
    error_message = "With a prefix a folder is Tarn's."
  }
}

run "an_account_that_azure_refuses" {
  command = plan
  variables {
    account = "Example-Tarn"
  }
  expect_failures = [var.account]
}

run "a_container_that_azure_refuses" {
  command = plan
  variables {
    container = "tarn--rows"
  }
  expect_failures = [var.container]
}

run "a_prefix_with_slashes" {
  command = plan
  variables {
    prefix = "/tarn"
  }
  expect_failures = [var.prefix]
}
