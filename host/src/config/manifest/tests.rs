//! Each mistake, and where it is said to be.

use std::path::Path;

use super::*;
use crate::connection::Credentials;
use crate::protocol::{QueueGroup, Subject, SubjectPattern};

/// A file that is there, in place of a component; paths are relative to the crate.
const COMPONENT: &str = "Cargo.toml";

fn parse(text: &str) -> Result<Manifest, ManifestError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    Manifest::parse(&folder.join("plugins.toml"), text)
}

/// The problems as `LINE:COLUMN: MESSAGE`.
fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => Vec::new(),
        Err(ManifestError::Problems(problems)) => problems
            .iter()
            .map(|problem| format!("{}:{}: {}", problem.line, problem.column, problem.message))
            .collect(),
        Err(error) => panic!("{error}"),
    }
}

/// The one problem of a manifest whose first two lines are a plugin without fault.
#[track_caller]
fn problem(rest: &str) -> String {
    let text = format!("[plugin.a]\ncomponent = \"{COMPONENT}\"\n{rest}\n");
    match &problems(&text)[..] {
        [only] => only.clone(),
        other => panic!("not one problem: {other:#?}"),
    }
}

fn plugin(rest: &str) -> PlannedPlugin {
    let text = format!("[plugin.a]\ncomponent = \"{COMPONENT}\"\n{rest}\n");
    parse(&text).unwrap_or_else(|error| panic!("{error}")).plugins()[0].clone()
}

fn host_options() -> ConnectionOptions {
    let mut options = ConnectionOptions::new(vec!["host.example".parse().unwrap()], "host");
    options.credentials = Credentials::Token("of the host".to_owned());
    options
}

#[test]
fn an_unknown_key_is_told_the_nearest_one_and_its_place() {
    assert_eq!(
        problem("instnces = 2"),
        "3:1: unknown key `instnces` in a; did you mean `instances`?"
    );
    assert_eq!(
        problem("  permissions.publihs = []"),
        "3:15: unknown key `publihs` in permissions; did you mean `publish`?"
    );
    assert_eq!(
        problem("[plugn.b]"),
        "3:2: unknown key `plugn` in the manifest; did you mean `plugin`?"
    );
    let far = problem("tls.xyz = 1");
    assert!(far.starts_with("3:1: unknown key `tls` in a; there are answer-errors, "), "{far}");
}

#[test]
fn a_wrong_type_is_told_the_right_one() {
    assert_eq!(
        problem("instances = true"),
        "3:13: `instances` is a number or a text in quotes, not true or false"
    );
    assert_eq!(
        problem("permissions.publish = \"a\""),
        "3:23: `publish` is a list, not a text in quotes"
    );
    assert_eq!(
        problem("permissions.publish = [1]"),
        "3:24: `publish` is a text in quotes, not a number"
    );
    assert_eq!(
        problem("connection = 4222"),
        "3:14: `connection` is a text in quotes or a table, not a number"
    );
    assert_eq!(problem("instances = 0"), "3:13: `instances` is a number from 1 to 1024");
    let bounds = problem("instances = \"8..2\"");
    assert!(bounds.starts_with("3:13: `instances`: \"8..2\" is not a number of"), "{bounds}");
    assert_eq!(
        problem("instances = 99999999999999999999"),
        "3:13: `instances` is a number from 1 to 1024"
    );
    assert_eq!(problem("limits.max-timers = -1"), "3:21: `max-timers` is a number of at least 0");
}

#[test]
fn a_text_that_is_not_of_its_format_is_told_the_right_one() {
    for (line, parts) in [
        ("limits.max-memory = \"64\"", ["3:21: `max-memory`", "64 MiB"]),
        ("limits.callback-timeout = \"5\"", ["3:27: `callback-timeout`", "30s"]),
        ("permissions.publish = [\"a\", \"a..b\"]", ["3:29: `publish`", "empty token"]),
        ("permissions.subscribe = [\">.a\"]", ["3:26: `subscribe`", "last token"]),
        ("permissions.queue-groups = [\"a b\"]", ["3:29: `queue-groups`", "a b"]),
        ("permissions.servers = [\"http://x\"]", ["3:24: `servers`", "host:port"]),
        ("client-name = \"a b\"", ["3:15: `client-name`", "a b"]),
        ("connection.servers = [\"ftp://a\"]", ["3:23: `servers`", "scheme"]),
        ("connection.inbox-prefix = \"a.>\"", ["3:27: `inbox-prefix`", "'>'"]),
    ] {
        let problem = problem(line);
        for part in parts {
            assert!(problem.contains(part), "no {part:?} in {problem:?}");
        }
    }
}

#[test]
fn all_mistakes_are_told_in_the_order_of_the_file() {
    let found = problems(
        "[defaults]\ninstances = \"none\"\n\n[plugin.a]\ncomponent = 1\nconection = \"x\"\n\n[plugin.b]\n",
    );
    let places: Vec<_> = found.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(places, ["2:13:", "5:13:", "6:1:", "8:1:"], "{found:#?}");
    assert!(found[3].ends_with("`b` has no `component`"), "{found:#?}");

    let found = problems(
        "[plugin.a]\ncomponent = \"no.wasm\"\nconnection = \"x\"\n[plugin.b]\ncomponent = \"no\"\n",
    );
    let places: Vec<_> = found.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(places, ["2:13:", "3:14:", "5:13:"], "{found:#?}");
}

#[test]
fn what_is_no_toml_has_a_place_too() {
    assert!(problem("instances =").starts_with("3:"), "{}", problem("instances ="));
    let twice = problem("[plugin.a]");
    assert!(twice.starts_with("3:") && twice.contains("duplicate"), "{twice}");
    let twice = problem("component = \"b\"");
    assert!(twice.starts_with("3:1:") && twice.contains("duplicate"), "{twice}");
}

#[test]
fn a_manifest_without_plugins_is_a_mistake() {
    assert_eq!(problems(""), ["1:1: there is no plugin: add a table [plugin.NAME]"]);
}

#[test]
fn files_must_be_there() {
    let missing = problems("[plugin.a]\ncomponent = \"no-such.wasm\"\n");
    assert!(missing[0].starts_with("2:13: open "), "{missing:?}");
    assert!(missing[0].contains("no-such.wasm: No such file"), "{missing:?}");
    for (line, place) in [
        ("connection.creds = \"no.creds\"", "3:20: open "),
        ("connection.tls = { ca = \"no.pem\" }", "3:25: open "),
        ("connection = { user = \"u\", password = { file = \"no\" } }", "3:28: read "),
    ] {
        let problem = problem(line);
        assert!(problem.starts_with(place) && problem.contains("No such file"), "{problem}");
    }
}

#[test]
fn connections_are_named_rightly() {
    let wrong = problem(
        "connection = \"mian\"\n[connection.main]\n[plugin.b]\ncomponent = \"Cargo.toml\"\nconnection = \"main\"",
    );
    assert_eq!(wrong, "3:14: there is no connection `mian`; did you mean `main`?");
    assert_eq!(problem("[connection.main]"), "3:13: no plugin uses connection `main`");
    let named = problem("connection = \"main\"\nclient-name = \"a\"\n[connection.main]");
    assert_eq!(named, "4:15: a shared connection has one name: move it to [connection.main]");
    let named = problem("connection.client-name = \"a\"");
    assert!(named.starts_with("3:26: ") && named.contains("plugin's `client-name`"), "{named}");
}

#[test]
fn there_is_one_way_to_log_in() {
    let two = problem("connection = { token = \"t\", user = \"u\", password = \"p\" }");
    assert!(two.contains("`user` and `token` are two ways"), "{two}");
    let half = problem("connection.user = \"u\"");
    assert_eq!(half, "3:19: `user` goes with `password`, which is missing");
    let unset = problem("connection.token = { env = \"NOT_SET_ANYWHERE\" }");
    assert!(unset.contains("environment variable NOT_SET_ANYWHERE"), "{unset}");
    let both = problem("connection.token = { env = \"A\", file = \"b\" }");
    assert!(both.contains("{ env = \"NAME\" } or { file = \"PATH\" }"), "{both}");
    let half = problem("connection.tls = { cert = \"Cargo.toml\" }");
    assert!(half.contains("`cert` and `key` go together"), "{half}");
}

#[test]
fn nothing_is_allowed_that_is_not_said() {
    assert_eq!(plugin("").settings.policy, crate::policy::Policy::deny_all());
    let policy =
        plugin("permissions = { publish = [\"a\"], queue-groups = [\"q\"] }").settings.policy;
    assert!(policy.may_publish(Subject::new("b").unwrap()).is_err());
    assert!(policy.may_subscribe(SubjectPattern::new("a").unwrap()).is_err());
    assert!(policy.may_publish(Subject::new("a").unwrap()).is_ok());
    assert!(policy.may_join(QueueGroup::new("q").unwrap()).is_ok());
    let all = plugin("permissions.allow-all = true").settings.policy;
    assert_eq!(all, crate::policy::Policy::allow_all());
}

#[test]
fn defaults_hold_where_a_plugin_says_nothing() {
    let defaults = "[defaults]\ninstances = 3\nlimits = { max-memory = \"1 MiB\", max-timers = 7 }\n\
                    permissions = { publish = [\"d\"], subscribe = [\"d\"] }\n\
                    environment = { A = \"1\", B = \"1\" }";
    let plain = plugin(defaults).settings;
    assert_eq!((plain.instances.min(), plain.limits.max_memory_bytes), (3, 1 << 20));

    let own = format!(
        "instances = 2\nlimits.max-memory = \"2 MiB\"\npermissions.publish = [\"p\"]\n\
         environment.B = \"2\"\n{defaults}"
    );
    let own = plugin(&own).settings;
    assert_eq!((own.instances.min(), own.limits.max_memory_bytes), (2, 2 << 20));
    assert_eq!(own.limits.max_timers, 7);
    let scaling = plugin("instances = \"2..8\"").settings.instances;
    assert_eq!((scaling.min(), scaling.max()), (2, 8));
    assert!(own.policy.may_publish(Subject::new("d").unwrap()).is_err(), "lists are not merged");
    assert!(own.policy.may_subscribe(SubjectPattern::new("d").unwrap()).is_ok());
    let environment = [("A", "1"), ("B", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(own.environment, environment);
}

#[test]
fn named_servers_do_not_get_the_login_of_the_command_line() {
    let options = |rest: &str| match plugin(rest).connection {
        PlannedConnection::Own(own) => own.options(&host_options()),
        PlannedConnection::Shared(name) => panic!("shared {name}"),
    };
    let plain = options("");
    assert_eq!(plain.credentials, Credentials::Token("of the host".to_owned()));
    let elsewhere = options("connection.servers = [\"other.example\"]");
    assert_eq!(elsewhere.servers[0].host(), "other.example");
    assert_eq!(elsewhere.credentials, Credentials::None);
    let login = options("connection = { user = \"u\", password = \"p\" }");
    assert_eq!(login.servers[0].host(), "host.example");
    let user = Credentials::User { name: "u".to_owned(), password: "p".to_owned() };
    assert_eq!(login.credentials, user);
}

#[test]
fn plugins_come_in_the_order_of_the_file() {
    let text = format!(
        "[plugin.z]\ncomponent = \"{COMPONENT}\"\n[plugin.a]\ncomponent = \"{COMPONENT}\"\n"
    );
    let manifest = parse(&text).unwrap_or_else(|error| panic!("{error}"));
    let names: Vec<_> = manifest.plugins().iter().map(|plugin| &plugin.settings.name).collect();
    assert_eq!(names, ["z", "a"]);
}
