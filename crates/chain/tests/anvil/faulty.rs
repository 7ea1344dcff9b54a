//! An RPC that lies, stalls and breaks off: an HTTP proxy in front of a real anvil, told request by request what to do.

use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What is done with a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// The node's own answer.
    Honest,
    /// This result instead; the node does not hear of it.
    Lie(Value),
    /// This error instead; the node does not hear of it.
    Refuse(i64, &'static str),
    /// The node does it, and this error is the answer.
    DoAndRefuse(i64, &'static str),
    /// The node does it, and the answer breaks off half way.
    DoAndBreakOff,
    /// Nothing is said, and the connection stays open.
    Stall,
    /// The connection is closed before an answer.
    HangUp,
    /// HTTP status 500.
    Fail,
    /// Something that is not JSON.
    Babble,
}

type Plan = dyn FnMut(&str, &Value) -> Act + Send;

/// The proxy. It serves until the test ends.
pub struct FaultyRpc {
    address: SocketAddr,
    plan: Arc<Mutex<Box<Plan>>>,
    /// Methods asked for, in order.
    asked: watch::Receiver<Vec<String>>,
}

impl FaultyRpc {
    /// In front of the node on this port; honest at first.
    pub async fn to(port: u16) -> FaultyRpc {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan: Arc<Mutex<Box<Plan>>> = Arc::new(Mutex::new(Box::new(|_, _| Act::Honest)));
        let (log, asked) = watch::channel(Vec::new());
        let (log, plan_of_all) = (Arc::new(log), plan.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (plan, log) = (plan_of_all.clone(), log.clone());
                tokio::spawn(async move {
                    // A connection that breaks is what the test asked for, or its end.
                    let _ = serve(stream, port, &plan, &log).await;
                });
            }
        });
        FaultyRpc { address, plan, asked }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, each request is dealt with as this says.
    pub fn plan(&self, plan: impl FnMut(&str, &Value) -> Act + Send + 'static) {
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(plan);
    }

    /// From now on, it tells nothing but the truth.
    pub fn be_honest(&self) {
        self.plan(|_, _| Act::Honest);
    }

    /// How often a method was asked for so far.
    pub fn count(&self, method: &str) -> usize {
        self.asked.borrow().iter().filter(|asked| *asked == method).count()
    }

    /// Waits until a method was asked for so many times more.
    pub async fn until_asked(&self, method: &str, times: usize) {
        let wanted = self.count(method) + times;
        let mut asked = self.asked.clone();
        let enough = asked.wait_for(|all| all.iter().filter(|asked| *asked == method).count() >= wanted);
        crate::within(enough).await.unwrap();
    }
}

async fn serve(
    mut stream: TcpStream,
    port: u16,
    plan: &Mutex<Box<Plan>>,
    log: &watch::Sender<Vec<String>>,
) -> std::io::Result<()> {
    while let Some(body) = read_message(&mut stream).await? {
        let request: Value = serde_json::from_slice(&body)?;
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        let act = plan.lock().unwrap_or_else(PoisonError::into_inner)(&method, &request["params"]);
        log.send_modify(|asked| asked.push(method));
        let reply = |field: &str, value: Value| {
            json!({ "jsonrpc": "2.0", "id": request["id"], field: value }).to_string().into_bytes()
        };
        let error = |code: i64, message: &str| reply("error", json!({ "code": code, "message": message }));
        let answer = match act {
            Act::Honest => forward(port, &body).await?,
            Act::Lie(value) => reply("result", value),
            Act::Refuse(code, message) => error(code, message),
            Act::DoAndRefuse(code, message) => {
                forward(port, &body).await?;
                error(code, message)
            }
            Act::DoAndBreakOff => {
                let answer = forward(port, &body).await?;
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", answer.len());
                stream.write_all(head.as_bytes()).await?;
                return stream.write_all(&answer[..answer.len() / 2]).await;
            }
            // Until the other side gives up.
            Act::Stall => return stream.read_u8().await.map(drop),
            Act::HangUp => return Ok(()),
            Act::Fail => {
                return stream.write_all(b"HTTP/1.1 500 Oops\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            }
            Act::Babble => b"<html>Bad gateway, please</html>".to_vec(),
        };
        let head =
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", answer.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&answer).await?;
    }
    Ok(())
}

/// Asks the node, on a connection of its own.
async fn forward(port: u16, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut node = TcpStream::connect(("127.0.0.1", port)).await?;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    node.write_all(head.as_bytes()).await?;
    node.write_all(body).await?;
    let answer = read_message(&mut node).await?;
    answer.ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

/// The body of the next HTTP message; `None` at the end of the connection.
async fn read_message(stream: &mut TcpStream) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let body_from = loop {
        if let Some(at) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..body_from]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).map(str::trim);
    let length: usize = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = bytes.split_off(body_from);
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(body))
}
