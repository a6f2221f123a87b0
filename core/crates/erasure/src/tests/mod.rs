//! Tests across the modules; each module's own stand beside it.

mod bundle;
mod forge;
mod hostile;
pub(crate) mod random;
mod recover;
