//! What is printed.

use serde_json::Value;

use crate::shop::Shop;

#[test]
fn each_form_shows_what_it_is_for() {
    let shop = Shop::open("");
    shop.traffic();
    let one =
        |form: &str, port: &str| shop.text(&["--output", form, "--port", port, "--last", "1"]);
    let compact = one("compact", "81");
    assert_eq!(compact.lines().count(), 1);
    for word in [
        "n1 DENIED  TCP default/api:",
        " → prod/db:81  ingress policy-denied, isolated by prod/db; nearest rule prod/db ingress[0]: ",
        "port 81 given, rule allows 80",
    ] {
        assert!(compact.contains(word), "{compact}");
    }
    assert_eq!(one("text", "81"), compact);
    assert_eq!(shop.text(&["--port", "81", "--last", "1"]), compact);
    let wide = one("wide", "81");
    assert!(wide.contains("StatefulSet/api on n1 app=api"), "{wide}");
    assert!(wide.contains("app=db,tier=data"), "{wide}");
    let packet = one("tcpdump", "81");
    let (api, db) = (shop.api.v4().unwrap(), shop.address());
    assert!(packet.contains(&format!("IP {api}.")), "{packet}");
    assert!(
        packet.contains(&format!(" > {db}.81: TCP, length ")),
        "{packet}"
    );
    assert_eq!(one("pcap", "81"), packet);
    let json: Value = serde_json::from_str(&one("json", "53")).unwrap();
    assert_eq!(json["allowed_by"]["policy"], "prod/db");
    assert_eq!(json["allowed_by"]["rule"], "ingress[0]");
    assert_eq!(json["source"]["workload"], "StatefulSet/api");
    let ping = shop.text(&["--output", "json", "--protocol", "icmp", "--last", "1"]);
    let ping: Value = serde_json::from_str(&ping).unwrap();
    assert_eq!(ping["icmp"]["type"], 8);
}

#[test]
fn colour_is_for_terminals_and_whoever_insists() {
    let shop = Shop::open("");
    shop.traffic();
    let painted = |arguments: &[&str]| shop.text(arguments).contains('\x1b');
    assert!(!painted(&[]));
    assert!(!painted(&["--color", "never"]));
    assert!(painted(&["--color", "always"]));
    assert!(!painted(&["--color", "always", "--output", "json"]));
}
