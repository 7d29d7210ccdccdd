//! Stories across the rooms: delivery, faults, the control API, start and stop.

mod delivery;
mod faults;
mod lifecycle;
