use std::sync::Arc;

use super::{NAMES_MAX, Names, OTHER, without_ids};

#[test]
fn ids_go_and_words_stay() {
    for (name, wanted) in [
        ("GET /users/5417", "GET /users/<id>"),
        ("GET /users/5417/orders/99", "GET /users/<id>/orders/<id>"),
        ("POST /v2/items", "POST /v2/items"),
        ("fetch 4bf92f3577b34da6a3ce929d0e0e4736", "fetch <id>"),
        ("job 123e4567-e89b-12d3-a456-426614174000 ran", "job <id> ran"),
        ("shop.Cart/AddItem", "shop.Cart/AddItem"),
        ("SELECT decade", "SELECT decade"),
        ("s3.PutObject", "s3.PutObject"),
        ("größe 12", "größe <id>"),
        ("", ""),
    ] {
        assert_eq!(&*without_ids(name), wanted);
    }
}

#[test]
fn names_beyond_the_bound_are_others() {
    let mut names = Names::default();
    let service: Arc<str> = "shop".into();
    for n in 0..NAMES_MAX {
        let name: Arc<str> = format!("name {n}").into();
        assert_eq!(names.bounded(&service, &name).1, name);
    }
    let late: Arc<str> = "late".into();
    assert_eq!(names.bounded(&service, &late), (Arc::clone(&service), OTHER.into()));
    names.retain([(&service, &late)].into_iter());
    assert_eq!(names.bounded(&service, &late).1, late);
}
