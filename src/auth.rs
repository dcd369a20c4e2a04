//! Who asks, and whether they may: from a request's credentials to the tenant that it is answered for.
//!
//! [`principal`] says what someone may do, [`decide`] whether a request is allowed, for which tenant.
//! Both know nothing of HTTP.

pub(crate) mod decide;
pub(crate) mod principal;
