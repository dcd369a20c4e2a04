use super::*;

#[test]
fn what_the_lists_name_exists() {
    let scalars = SessionStateDefaults::default_scalar_functions();
    for name in SCALARS {
        assert!(scalars.iter().any(|f| f.name() == *name), "{name}");
    }
    let aggregates = SessionStateDefaults::default_aggregate_functions();
    for name in AGGREGATES {
        assert!(aggregates.iter().any(|f| f.name() == *name), "{name}");
    }
}

#[test]
fn a_capped_function_is_never_let_in_without_its_cap() {
    for function in SessionStateDefaults::default_scalar_functions() {
        let capped = capped::Cap::of(function.name()).is_some();
        assert!(!(capped && is_allowed(&function)), "{}", function.name());
    }
    for function in scalars() {
        assert!(is_allowed(&function), "{}", function.name());
    }
}
