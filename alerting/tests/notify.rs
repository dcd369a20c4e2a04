//! Every kind of receiver against every fault, over real sockets on loopback.

mod notify {
    pub(crate) mod configs;
    pub(crate) mod desk;
    mod email;
    mod faults;
    mod guard;
    mod pagerduty;
    mod restart;
    mod slack;
    mod webhook;
}
