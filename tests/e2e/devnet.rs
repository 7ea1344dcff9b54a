//! The chain that somebody starts to play with.

use crate::broken::{children_of, kill};
use crate::harness::{PATIENCE, golem_command};
use crate::process::Process;
use golem_devnet::chain::{Rpc, RpcConfig};

#[test]
fn a_devnet_goes_on_while_nobody_sends_anything_and_ends_with_its_chain() {
    let home = tempfile::tempdir().expect("a folder can be made");
    let mut command = golem_command();
    command.args(["devnet", "--port", "0", "--accounts", "2", "--json", "--out"]).arg(home.path().join("devnet"));
    let devnet = Process::spawn("devnet", &mut command);
    let url = devnet.wait_json("summary", PATIENCE, |line| line["rpc_url"].as_str().map(str::to_owned));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let rpc = Rpc::connect(RpcConfig::new(&url)).await.expect("it answers");
        let began = rpc.block_number().await.expect("a number");
        // One comes as soon as it is ready, the next by the clock.
        let two_more = async {
            while rpc.block_number().await.expect("a number") < began + 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, two_more).await.expect("its time goes on");
    });
    // Between them stands a shell that ends it with its owner.
    children_of(devnet.id()).flat_map(children_of).for_each(kill);
    let ended = devnet.wait(PATIENCE);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("does not answer any more"), "{}", ended.stderr);
}
