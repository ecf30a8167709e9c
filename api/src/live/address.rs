use std::net::IpAddr;

use poem::Request;

/// Where a request comes from: the peer, or, behind a proxy that is `trusted`, the address which
/// that proxy wrote last into `X-Forwarded-For`. What stands before it, the caller may have written.
pub(crate) fn client_address(request: &Request, trusted: bool) -> Option<IpAddr> {
    if trusted {
        let forwarded = request.headers().get_all("x-forwarded-for");
        let last = forwarded.iter().next_back()?.to_str().ok()?;
        return last.rsplit(',').next()?.trim().parse().ok();
    }
    request
        .remote_addr()
        .as_socket_addr()
        .map(std::net::SocketAddr::ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_what_it_wrote_itself() {
        let request = Request::builder()
            .header("x-forwarded-for", "198.51.100.1, 192.0.2.7")
            .finish();
        let told = "192.0.2.7".parse().ok();
        assert_eq!(client_address(&request, true), told);
        assert_eq!(client_address(&request, false), None);
    }
}
