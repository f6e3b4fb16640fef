//! Forwarding ports of pods, as kubelets do for clients that come by WebSocket.
//!
//! Messages begin with the number of a channel: of the n-th port 2n carries its bytes and 2n+1 what went
//! wrong. The first message of each is the port, low byte first.

use std::net::{Ipv4Addr, TcpStream as StdStream};
use std::sync::Arc;
use std::time::Duration;

use enforcer_lab::LabError;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::RunningPod;
use super::route::{self, Body, Shared};

/// What kubelets speak.
const PROTOCOL: &str = "v4.channel.k8s.io";
/// The channels of the only port.
const DATA: u8 = 0;
const ERROR: u8 = 1;
/// How long a client may take to close its side.
const FAREWELL: Duration = Duration::from_secs(5);
/// How much is read from the pod at a time.
const PIECE: usize = 32 * 1024;

/// Goes over to a WebSocket for one port of a pod.
pub(super) fn answer(
    mut request: Request<Incoming>,
    shared: &Shared,
    namespace: &str,
    pod: &str,
) -> Response<Body> {
    let port = route::parameter(&request, "port").and_then(|port| port.parse().ok());
    let Some(port) = port else {
        return route::refuse(StatusCode::BAD_REQUEST, "no port");
    };
    let Some(pod) = shared.table.get(namespace, pod) else {
        return route::refuse(StatusCode::NOT_FOUND, "no such pod runs here");
    };
    let headers = request.headers();
    let offered = headers.get(SEC_WEBSOCKET_PROTOCOL);
    let offered = offered.and_then(|value| value.to_str().ok());
    let offered = offered.is_some_and(|all| all.split(", ").any(|one| one == PROTOCOL));
    let key = headers.get(SEC_WEBSOCKET_KEY);
    let Some(key) = key.filter(|_| offered) else {
        return route::refuse(StatusCode::BAD_REQUEST, "only WebSocket, v4.channel.k8s.io");
    };
    let accept = derive_accept_key(key.as_bytes());
    let upgraded = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        // Whoever goes away misses nothing.
        let _ = forward(upgraded, pod, port).await;
    });
    let response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_ACCEPT, accept)
        .header(SEC_WEBSOCKET_PROTOCOL, PROTOCOL)
        .body(route::body(""));
    response.unwrap_or_else(|error| {
        route::refuse(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string())
    })
}

async fn forward(upgraded: OnUpgrade, pod: Arc<RunningPod>, port: u16) -> Result<(), Error> {
    let upgraded = upgraded
        .await
        .map_err(|error| Error::Io(std::io::Error::other(error)))?;
    let mut client =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    let [low, high] = port.to_le_bytes();
    for channel in [DATA, ERROR] {
        client
            .send(Message::binary(vec![channel, low, high]))
            .await?;
    }
    match connect(pod, port).await {
        Ok(server) => relay(&mut client, server).await?,
        Err(why) => {
            client
                .send(Message::binary(in_channel(ERROR, why.as_bytes())))
                .await?;
        }
    }
    client.close(None).await?;
    // What the client has still sent would reset the connection, and take the last words with it.
    let rest = async { while let Some(Ok(_)) = client.next().await {} };
    let _ = timeout(FAREWELL, rest).await;
    Ok(())
}

/// As container runtimes do it: from inside the pod's network namespace.
async fn connect(pod: Arc<RunningPod>, port: u16) -> Result<TcpStream, String> {
    let connect = move || {
        pod.run(|| {
            let what = format!("connecting to port {port}");
            let failed = |source| LabError::Socket { what, source };
            let stream = StdStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(failed)?;
            Ok(stream)
        })
    };
    let connected = tokio::task::spawn_blocking(connect).await;
    let stream = connected
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    stream
        .set_nonblocking(true)
        .and_then(|()| TcpStream::from_std(stream))
        .map_err(|error| error.to_string())
}

/// Until either side ends.
async fn relay<S>(client: &mut WebSocketStream<S>, mut server: TcpStream) -> Result<(), Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut piece = vec![0; PIECE];
    loop {
        tokio::select! {
            message = client.next() => match message.transpose()? {
                Some(Message::Binary(bytes)) if bytes.first() == Some(&DATA) => {
                    server.write_all(&bytes[1..]).await?;
                }
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => {}
            },
            read = server.read(&mut piece) => match read? {
                0 => return Ok(()),
                length => client.send(Message::binary(in_channel(DATA, &piece[..length]))).await?,
            },
        }
    }
}

fn in_channel(channel: u8, bytes: &[u8]) -> Vec<u8> {
    [&[channel], bytes].concat()
}
