use std::collections::VecDeque;
use std::net::IpAddr;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tarn_model::time::{Sleep, UnixNanos};

use super::*;

#[derive(Debug)]
struct NoTime;

impl Clock for NoTime {
    fn now(&self) -> UnixNanos {
        UnixNanos(0)
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) -> Sleep {
        Box::pin(std::future::pending())
    }
}

/// Answers with what comes next, and with the last for ever.
#[derive(Debug)]
struct Scripted(Mutex<VecDeque<Vec<IpAddr>>>);

impl Lookup for Scripted {
    fn lookup<'a>(&'a self, _: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        let mut answers = self.0.lock();
        let answer = match answers.len() {
            1 => answers[0].clone(),
            _ => answers.pop_front().unwrap_or_default(),
        };
        Box::pin(std::future::ready(Ok(answer)))
    }
}

fn egress(allow: &[&str], deny: &[&str], answers: &[&[&str]]) -> Egress {
    let options = EgressOptions {
        allow: Places::parse(allow.iter().copied()).expect("places"),
        deny: Places::parse(deny.iter().copied()).expect("places"),
    };
    let parse = |answer: &&[&str]| answer.iter().map(|a| a.parse().expect("an address")).collect();
    let script = Scripted(Mutex::new(answers.iter().map(parse).collect()));
    Egress::with_lookup(options, Arc::new(NoTime), Arc::new(script))
}

fn allowed(egress: &Egress, url: &str, named_by: NamedBy) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    egress.vet_url(&url, named_by).is_ok()
}

/// URLs that name an address by its number, in disguise: whether an interface and whether the
/// operator's files may name it.
const LITERALS: &[(&str, bool, bool)] = &[
    ("https://93.184.216.34/", true, true),
    ("https://93.184.216.34:8443/x", true, true),
    ("https://[2606:2800:220:1:248:1893:25c8:1946]/", true, true),
    ("http://93.184.216.34/", false, true),
    // Loopback.
    ("https://127.0.0.1/", false, true),
    ("https://127.255.255.254/", false, true),
    ("https://127.1/", false, true),
    ("https://127.0.1/", false, true),
    ("https://0177.0.0.1/", false, true),
    ("https://0x7f.0.0.1/", false, true),
    ("https://0x7f000001/", false, true),
    ("https://2130706433/", false, true),
    ("https://017700000001/", false, true),
    ("https://127.0.0.1./", false, true),
    ("https://%31%32%37.0.0.1/", false, true),
    ("https://①②⑦.⓪.⓪.①/", false, true),
    ("https://127。0。0。1/", false, true),
    ("https://user:password@127.0.0.1/", false, true),
    ("https://good.example@127.0.0.1/", false, true),
    ("https://127.0.0.1\\@good.example/", false, true),
    ("https:127.0.0.1/", false, true),
    ("https:/\t/127.0.0.1/", false, true),
    ("https://[::1]/", false, true),
    ("https://[0:0:0:0:0:0:0:1]/", false, true),
    ("https://[::ffff:127.0.0.1]/", false, true),
    ("https://[::ffff:7f00:1]/", false, true),
    ("https://[::127.0.0.1]/", false, true),
    ("https://[64:ff9b::127.0.0.1]/", false, true),
    ("https://[2002:7f00:1::1]/", false, true),
    // Unspecified reaches loopback on Linux.
    ("https://0.0.0.0/", false, false),
    ("https://0/", false, false),
    ("https://0.1.2.3/", false, false),
    ("https://[::]/", false, false),
    ("https://[::ffff:0.0.0.0]/", false, false),
    // Private.
    ("https://10.0.0.1/", false, true),
    ("https://10.255.255.255/", false, true),
    ("https://0xa.1/", false, true),
    ("https://172.16.0.1/", false, true),
    ("https://172.31.255.1/", false, true),
    ("https://172.32.0.1/", true, true),
    ("https://192.168.1.1/", false, true),
    ("https://100.64.0.1/", false, true),
    ("https://100.127.255.255/", false, true),
    ("https://100.128.0.1/", true, true),
    ("https://[fc00::1]/", false, true),
    ("https://[fdff::1]/", false, true),
    ("https://[fec0::1]/", false, true),
    ("https://[::ffff:10.0.0.1]/", false, true),
    ("https://[64:ff9b::10.0.0.1]/", false, true),
    ("https://[64:ff9b:1::93.184.216.34]/", false, true),
    ("https://[2002:a00:1::]/", false, true),
    ("https://[2001:0:4136:e378:8000:63bf:f5ff:fffe]/", false, true),
    ("https://[2606::5efe:10.0.0.1]/", false, true),
    ("https://[2606::200:5efe:10.0.0.1]/", false, true),
    ("https://[::ffff:0:10.0.0.1]/", false, true),
    // Link-local and metadata.
    ("https://169.254.169.254/latest/meta-data", false, false),
    ("https://169.254.0.1/", false, false),
    ("https://0xa9fea9fe/", false, false),
    ("https://2852039166/", false, false),
    ("https://[::ffff:169.254.169.254]/", false, false),
    ("https://[64:ff9b::a9fe:a9fe]/", false, false),
    ("https://[2002:a9fe:a9fe::]/", false, false),
    ("https://[fe80::1]/", false, false),
    ("https://[febf::1]/", false, false),
    ("https://[fd00:ec2::254]/", false, false),
    ("https://[fd20:ce::254]/", false, false),
    ("https://100.100.100.200/", false, false),
    ("https://168.63.129.16/", false, false),
    ("https://192.0.0.192/", false, false),
    // Nobody's own.
    ("https://224.0.0.1/", false, false),
    ("https://239.255.255.250/", false, false),
    ("https://240.0.0.1/", false, false),
    ("https://255.255.255.255/", false, false),
    ("https://192.0.2.1/", false, false),
    ("https://198.18.0.1/", false, false),
    ("https://[ff02::1]/", false, false),
    ("https://[2001:db8::1]/", false, false),
    ("https://[100::1]/", false, false),
    ("https://[5f00::1]/", false, false),
    ("https://[4000::1]/", false, false),
    // Other schemes, and hosts that are none.
    ("ftp://93.184.216.34/", false, false),
    ("file:///etc/passwd", false, false),
    ("gopher://93.184.216.34/", false, false),
    ("https://[fe80::1%25eth0]/", false, false),
    ("https:///", false, false),
    ("https://256.256.256.256/", false, false),
];

#[test]
fn addresses_in_disguise() {
    let egress = egress(&[], &[], &[&[]]);
    for (url, by_api, by_operator) in LITERALS {
        assert_eq!(allowed(&egress, url, NamedBy::Api), *by_api, "{url} by an interface");
        assert_eq!(allowed(&egress, url, NamedBy::Operator), *by_operator, "{url} by a file");
    }
}

#[test]
fn what_the_operator_opens_and_closes() {
    let allow = ["10.0.0.0/8", "inner.example", ".lab.example", "169.254.0.0/16", "fe80::7"];
    let deny = ["10.9.0.0/16", "evil.example", "8.8.8.8", "::ffff:0:0/96"];
    let egress = egress(&allow, &deny, &[&["10.1.1.1"]]);
    for (url, by_api) in [
        ("https://10.1.1.1/", true),
        ("http://10.1.1.1/", true),
        ("https://10.9.1.1/", false),
        ("https://[64:ff9b::10.9.1.1]/", false),
        ("https://8.8.8.8/", false),
        ("https://8.8.4.4/", true),
        ("https://[::ffff:8.8.4.4]/", false),
        ("http://inner.example/", true),
        ("http://INNER.example./", true),
        ("http://outer.example/", false),
        ("http://a.lab.example/", true),
        ("http://lab.example/", false),
        ("http://evillab.example/", false),
        ("https://evil.example/", false),
        ("https://EVIL.example./", false),
        ("https://169.254.169.254/", false),
        ("https://[fe80::7]/", true),
        ("https://[fe80::8]/", false),
    ] {
        assert_eq!(allowed(&egress, url, NamedBy::Api), by_api, "{url}");
    }
    for text in ["10.0.0.0/33", "10.0.0.0/x", "a b", "", "1.2.3"] {
        assert!(Places::parse([text]).is_err(), "{text}");
    }
}

#[tokio::test]
async fn names_are_judged_by_each_of_their_addresses() {
    type Row<'a> = (&'a [&'a str], NamedBy, Result<&'a [&'a str], &'a str>);
    let rows: &[Row<'_>] = &[
        (&["93.184.216.34"], NamedBy::Api, Ok(&["93.184.216.34"])),
        (&["10.0.0.1", "93.184.216.34"], NamedBy::Api, Ok(&["93.184.216.34"])),
        (
            &["10.0.0.1"],
            NamedBy::Api,
            Err("h.example (10.0.0.1) may not be reached: a private network"),
        ),
        (&["10.0.0.1"], NamedBy::Operator, Ok(&["10.0.0.1"])),
        (&["127.0.0.1", "::1"], NamedBy::Api, Err("loopback")),
        (&["169.254.169.254"], NamedBy::Operator, Err("a cloud's metadata service")),
        (&["::ffff:192.168.0.1"], NamedBy::Api, Err("a private network")),
        (&[], NamedBy::Api, Err("no address")),
    ];
    for (answer, named_by, wants) in rows {
        let egress = egress(&[], &[], &[answer]);
        match (egress.addresses("h.example", *named_by).await, wants) {
            (Ok(found), Ok(wants)) => {
                let found: Vec<String> = found.iter().map(ToString::to_string).collect();
                assert_eq!(found, *wants);
            }
            (Err(error), Err(part)) => {
                assert!(error.message().contains(part), "{error:?}");
            }
            (found, _) => panic!("{answer:?}: {found:?}"),
        }
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_again() {
    let egress = egress(&[], &[], &[&["93.184.216.34"], &["127.0.0.1"]]);
    assert!(egress.addresses("rebinding.example", NamedBy::Api).await.is_ok());
    assert!(egress.addresses("rebinding.example", NamedBy::Api).await.is_err());
}

#[test]
fn urls_are_shown_without_their_secrets() {
    for (url, shown) in [
        ("https://hooks.slack.com/services/T0/B0/secret", "https://hooks.slack.com/<redacted>"),
        ("https://user:password@h.example:8443/", "https://h.example:8443"),
        ("https://h.example/?key=secret", "https://h.example/<redacted>"),
    ] {
        assert_eq!(redacted(&Url::parse(url).expect("a url")), shown);
    }
}
