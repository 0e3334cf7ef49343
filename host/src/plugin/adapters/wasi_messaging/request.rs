//! The interface `request-reply`.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};

use super::client::Client;
use super::message::{Held, Message};
use super::{Error, Package};
use crate::plugin::state::State;

/// When a request ends.
#[derive(Debug, Default)]
struct Options {
    timeout_ms: Option<u32>,
    expected_replies: Option<u32>,
}

impl Options {
    /// With a time-out alone, whatever comes in that time; with neither, one.
    fn max_replies(&self) -> u32 {
        match (self.expected_replies, self.timeout_ms) {
            (Some(count), _) => count,
            (None, Some(_)) => 0,
            (None, None) => 1,
        }
    }
}

impl State {
    async fn request_message(
        &mut self,
        topic: String,
        message: &Resource<Held>,
        options: &Options,
    ) -> wasmtime::Result<Result<Vec<Resource<Held>>, Error>> {
        let message = self.held(message)?;
        let (headers, payload) = (message.headers(), message.data().to_vec());
        let max_replies = options.max_replies();
        let answers = self.ask(topic, headers, payload, options.timeout_ms, max_replies).await;
        match answers {
            Ok(answers) => {
                let answers = answers.into_iter().map(Message::answer);
                let held: wasmtime::Result<_> = answers.map(|answer| self.hold(answer)).collect();
                held.map(Ok)
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn reply_to(
        &mut self,
        question: &Resource<Held>,
        answer: Message,
    ) -> wasmtime::Result<Result<(), Error>> {
        let Some(subject) = self.held(question)?.reply_to().map(str::to_owned) else {
            let reason = "the message did not ask for an answer".to_owned();
            return Ok(Err(Error::Other(reason)));
        };
        Ok(self.send_message(&subject, answer).await)
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<State>, package: &Package) -> wasmtime::Result<()> {
    type Own<T> = Resource<T>;
    let mut instance = linker.instance(package.request_reply)?;
    instance.resource("request-options", ResourceType::host::<Options>(), |mut store, rep| {
        store.data_mut().table().delete(Resource::<Options>::new_own(rep))?;
        Ok(())
    })?;
    instance.func_wrap(
        "[constructor]request-options",
        |mut store: StoreContextMut<'_, State>, (): ()| {
            Ok((store.data_mut().table().push(Options::default())?,))
        },
    )?;
    instance.func_wrap(
        "[method]request-options.set-timeout-ms",
        |mut store: StoreContextMut<'_, State>, (this, timeout_ms): (Own<Options>, u32)| {
            store.data_mut().table().get_mut(&this)?.timeout_ms = Some(timeout_ms);
            Ok(())
        },
    )?;
    instance.func_wrap(
        "[method]request-options.set-expected-replies",
        |mut store: StoreContextMut<'_, State>, (this, count): (Own<Options>, u32)| {
            store.data_mut().table().get_mut(&this)?.expected_replies = Some(count);
            Ok(())
        },
    )?;
    instance.func_wrap_async(
        "request",
        |mut store: StoreContextMut<'_, State>,
         (client, topic, message, options): (
            Own<Client>,
            String,
            Own<Held>,
            Option<Own<Options>>,
        )| {
            Box::new(async move {
                let state = store.data_mut();
                let options = match options {
                    Some(options) => state.table().delete(options)?,
                    None => Options::default(),
                };
                Ok((match state.check_connected(&client)? {
                    Ok(()) => state.request_message(topic, &message, &options).await?,
                    Err(error) => Err(error),
                },))
            })
        },
    )?;
    instance.func_wrap_async(
        "reply",
        |mut store: StoreContextMut<'_, State>, (question, answer): (Own<Held>, Own<Held>)| {
            Box::new(async move {
                let state = store.data_mut();
                let answer = state.release(answer)?;
                Ok((state.reply_to(&question, answer).await?,))
            })
        },
    )
}
