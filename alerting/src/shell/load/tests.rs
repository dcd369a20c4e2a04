use super::*;

fn file(name: &str, text: &str) -> SourceFile {
    SourceFile { name: name.to_owned(), text: text.to_owned() }
}

const GOOD: &str = "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up == 0}\n";

#[test]
fn without_files_alerts_are_routed_to_nobody() {
    let (loaded, problems) = Loaded::of(&Sources::default(), &Options::default());
    assert_eq!(problems, []);
    assert!(!loaded.groups.is_empty(), "shipped rules");
    assert!(loaded.routes.is_some() && Arc::strong_count(&routes_default()) == 1);
}

#[test]
fn a_mistake_takes_its_file_out_and_is_told_with_its_place() {
    let sources = Sources {
        rules: vec![
            file("a.yml", GOOD),
            file("b.yml", "groups:\n- name: g\n  rules:\n  - {alert: A, expr: 'up =='}\n"),
            file("c.yml", &GOOD.replace("up == 0}", "up, annotations: {x: '{{ nope }}'}}")),
        ],
        alertmanager: Some(file("am.yml", "route: {receiver: nobody}\nreceivers: []\n")),
        ..Sources::default()
    };
    let options = Options { shipped_rules: false, ..Options::default() };
    let (loaded, problems) = Loaded::of(&sources, &options);
    assert_eq!(loaded.groups.len(), 1);
    assert!(loaded.routes.is_none());
    for name in ["b.yml", "c.yml", "am.yml"] {
        let found = problems.iter().find(|problem| problem.file == name && !problem.warning);
        assert!(found.is_some_and(|problem| problem.line > 0), "{name}: {problems:?}");
    }
}
