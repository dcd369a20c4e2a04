//! Service level objectives: specification, burn rules, ledger.
