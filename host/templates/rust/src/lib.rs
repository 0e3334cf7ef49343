//! Greets whoever asks on `{{name}}.greet`, and tells on `{{name}}.greeted`.

use simple_nats_guest::{Error, Message, NatsClient};

simple_nats_guest::plugin!(start);

fn start() -> Result<(), Error> {
    let nats = NatsClient::connect(None)?;
    nats.subscribe("{{name}}.greet", Some("greeters"), move |message: Message| {
        let greeting = greeting(&String::from_utf8_lossy(message.payload()))?;
        message.respond(&greeting)?;
        nats.publish("{{name}}.greeted", &greeting)
    })?;
    println!("ready to greet");
    Ok(())
}

/// What calls no host can be tested like any other Rust.
fn greeting(name: &str) -> Result<String, Error> {
    match name.trim() {
        "" => Err(Error::Other("nobody to greet".to_owned())),
        name => Ok(format!("hello {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_is_greeted_by_name() {
        assert_eq!(greeting(" Ada\n").unwrap(), "hello Ada");
    }

    #[test]
    fn nobody_is_not_greeted() {
        assert!(greeting(" ").is_err());
    }
}
