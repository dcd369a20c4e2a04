//! OTLP over HTTP and over gRPC: what each door answers, and that a resend is stored once.

#[path = "otlp_doors/bodies.rs"]
mod bodies;
#[path = "otlp_doors/contract.rs"]
mod contract;
#[path = "otlp_doors/doors.rs"]
mod doors;
#[path = "otlp_doors/resends.rs"]
mod resends;
