variables {
  image = { repository = "registry.example.com/tarn" }
}

run "defaults" {
  command = plan

  assert {
    condition     = length(output.values.config) == 0 && !output.values.ingress.enabled && length(output.values.ingress.hosts) == 0
    error_message = "Nothing is configured that nobody asked for."
  }
  assert {
    condition     = output.values.networkPolicy.enabled && !output.values.monitoring.serviceMonitor.enabled
    error_message = "The network is closed, and an operator that may not be there is not asked."
  }
  assert {
    condition     = output.values.resources.limits == { memory = "2Gi" }
    error_message = "Memory has a limit and the CPU has none."
  }
}

run "a_bucket_of_a_cloud" {
  command = plan

  variables {
    storage  = { url = "s3://example/tarn", region = "eu-central-1", endpoint = "" }
    config   = { retention = { logs = "14d" } }
    identity = { annotations = { "eks.amazonaws.com/role-arn" = "arn:aws:iam::123456789012:role/tarn" } }
    host     = "tarn.example.com"
  }

  assert {
    condition     = jsonencode(output.values.config.storage) == jsonencode({ url = "s3://example/tarn", region = "eu-central-1" })
    error_message = "What is empty is not set."
  }
  assert {
    condition     = output.values.config.retention.logs == "14d"
    error_message = "Other sections are kept."
  }
  assert {
    condition     = output.values.serviceAccount.annotations["eks.amazonaws.com/role-arn"] == "arn:aws:iam::123456789012:role/tarn"
    error_message = "The role stands at the service account."
  }
  assert {
    condition     = one(output.values.ingress.hosts) == "tarn.example.com" && output.values.ingress.tls[0].secretName == "tarn-example-com-tls"
    error_message = "The Ingress has the host and its certificate."
  }
}

run "secrets_are_refused" {
  command = plan
  variables {
    storage = { url = "s3://example/tarn", secret_access_key = "hunter2" }
  }
  expect_failures = [var.storage]
}

run "one_place_for_storage" {
  command = plan
  variables {
    config = { storage = { url = "s3://example/tarn" } }
  }
  expect_failures = [var.config]
}

run "a_digest_is_one" {
  command = plan
  variables {
    image = { repository = "registry.example.com/tarn", digest = "latest" }
  }
  expect_failures = [var.image]
}

run "a_host_is_one" {
  command = plan
  variables {
    host = "https://tarn.example.com/"
  }
  expect_failures = [var.host]
}
