//! Remote write, 1.0 and 2.0: decoders against an oracle, bad input, and the receiver's contract.

#[path = "remote_write/bad_input.rs"]
mod bad_input;
#[path = "remote_write/contract.rs"]
mod contract;
#[path = "remote_write/decode.rs"]
mod decode;
#[path = "remote_write/expect.rs"]
mod expect;
#[path = "remote_write/generate.rs"]
mod generate;
#[path = "remote_write/histograms.rs"]
mod histograms;
#[path = "remote_write/oracle.rs"]
mod oracle;
#[path = "remote_write/receiver.rs"]
mod receiver;
