//! The state database on real LevelDB directories, against a plain model.

mod damage;
mod durability;
mod history;
mod model;
mod overlays;
mod snapshot;
