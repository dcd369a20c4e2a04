//! Who asks, and whether they may: from a request's credentials to the tenant that it is answered for.
//!
//! [`principal`] says what someone may do, [`decide`] whether a request is allowed, for which tenant.
//! Both know nothing of HTTP. [`people`] lets people in: [`users`] and [`sessions`] are documents that
//! [`book`] holds, [`passwords`] and [`attempts`] what a login passes, [`seal`] and [`cookie`] how it
//! travels. [`audit`] keeps who did what.

pub(crate) mod attempts;
pub(crate) mod audit;
pub(crate) mod book;
pub(crate) mod cookie;
pub(crate) mod decide;
pub(crate) mod metrics;
pub(crate) mod passwords;
pub(crate) mod people;
pub(crate) mod principal;
pub(crate) mod seal;
pub(crate) mod sessions;
pub(crate) mod users;
