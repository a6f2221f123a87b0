//! The switch in the environment, which a process reads once.

use std::process::Command;
use zg_recovery::is_vectorised;

const SWITCH: &str = "ZG_RECOVERY";
const OFF: &str = "libsecp256k1";

#[test]
fn the_environment_turns_the_vector_path_off() {
    if std::env::var(SWITCH).is_ok_and(|way| way == OFF) {
        assert!(!is_vectorised());
        return;
    }
    let this = std::env::current_exe().unwrap();
    let mut again = Command::new(this);
    again.args(["--exact", "the_environment_turns_the_vector_path_off"]).env(SWITCH, OFF);
    assert!(again.status().unwrap().success());
}
