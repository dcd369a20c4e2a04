use super::*;

#[test]
fn names_have_one_spelling() {
    let long = "a".repeat(64);
    for fine in ["ada", "a", "7", "ada.lovelace@example.org", "a_b+c-d", &long] {
        assert!(check_name(fine).is_ok(), "{fine}");
    }
    let longer = "a".repeat(65);
    for wrong in [
        "", "Ada", ".a", "-a", "@a", "a b", "a/b", "ä", "a\n", "a\0b", "../x", "a'b", "a\"",
        &longer,
    ] {
        assert!(check_name(wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn long_passwords_are_good_ones() {
    let long = "ab".repeat(512);
    for fine in ["correct horse", "twelve chars", "éèàùâêîôûëïü", "ada lovelace and more", &long]
    {
        assert!(check_password("ada.l", fine).is_ok(), "{fine}");
    }
    let longer = "ab".repeat(513);
    for (wrong, why) in [
        ("", "0 characters"),
        ("elevenchars", "11 characters"),
        ("éèàùâêîôûëï", "11 characters"),
        ("aaaaaaaaaaaaaaa", "again and again"),
        ("ada.l-ADA.L-1", "little more than the name"),
        (&longer, "1026 bytes"),
    ] {
        let error = check_password("ada.l", wrong).expect_err(wrong).message();
        assert!(error.contains(why), "{error}");
        assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
    }
}

#[test]
fn grants_are_some_and_not_endless() {
    let of = |count: usize| {
        let tenant = |n| tarn_model::tenant::TenantId::parse(&format!("t{n}")).unwrap();
        vec![Grant { role: Role::Viewer, tenants: Tenants::Of((0..count).map(tenant).collect()) }]
    };
    assert!(check_grants(&[]).is_err() && check_grants(&of(65)).is_err());
    assert!(check_grants(&of(64)).is_ok());
}

#[test]
fn nothing_shows_a_link_or_a_password() {
    let (token, link) = new_link(0).unwrap();
    let mut user = User::new(Vec::new(), 0).unwrap();
    user.add_link(link, 0);
    let shown = format!("{user:?}");
    assert!(!shown.contains(&token) && !shown.contains(&digest(&token)), "{shown}");
}
