//! What the channels must do, over written fixtures and, where they are at hand, recorded ones.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod coverage;
#[cfg(test)]
mod decode;
#[cfg(test)]
mod expected;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod forms;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod health;
#[cfg(test)]
mod http_send;
#[cfg(test)]
mod live;
#[cfg(test)]
mod messenger_send;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod send;
#[cfg(test)]
mod split;
#[cfg(test)]
mod whatsapp_send;
