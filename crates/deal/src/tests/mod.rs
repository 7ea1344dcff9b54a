//! The two machines against each other, and against peers that lie.

mod clock;
mod closes;
mod copies;
mod failures;
mod fees;
mod late;
mod offers;
mod over;
mod refusals;
mod reorgs;
mod repeated;
mod rest;
mod retry;
mod shares;
mod times;
mod whole;
mod world;
