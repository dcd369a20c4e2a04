variables {
  project         = "example-project"
  account_id      = "tarn-storage"
  namespace       = "observability"
  service_account = "tarn"
  bucket          = "example-tarn"
}

run "one_account_of_one_namespace" {
  command = plan
  assert {
    condition     = output.member == "serviceAccount:example-project.svc.id.goog[observability/tarn]"
    error_message = "Workload identity binds one service account."
  }
  assert {
    condition     = output.annotations["iam.gke.io/gcp-service-account"] == "tarn-storage@example-project.iam.gserviceaccount.com"
    error_message = "The annotation names the account."
  }
  assert {
    condition     = output.url == "gs://example-tarn"
    error_message = "Without a prefix the whole bucket is Tarn's."
  }
}

run "a_prefix" {
  command = plan
  variables {
    prefix = "production/tarn"
  }
  assert {
    condition     = output.url == "gs://example-tarn/production/tarn"
    error_message = "With a prefix a folder is."
  }
}

run "a_name_that_google_refuses" {
  command = plan
  variables {
    account_id = "tarn"
  }
  expect_failures = [var.account_id]
}

run "a_prefix_with_slashes" {
  command = plan
  variables {
    prefix = "/tarn/"
  }
  expect_failures = [var.prefix]
}
