//! The ingress through real sockets: real signatures (the gateways' vectors), a real database, and a
//! queue that confirms, fails or waits as a test says.

#[cfg(test)]
mod callback;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod process;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod return_form;
#[cfg(test)]
mod return_page;
#[cfg(test)]
mod rooms;
#[cfg(test)]
mod server;
#[cfg(test)]
mod support;
