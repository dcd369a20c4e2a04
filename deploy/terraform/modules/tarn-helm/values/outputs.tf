output "values" {
  description = "The values of the chart."
  value       = local.values
}
