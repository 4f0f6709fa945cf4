//! The authorization server's pages: plain values → HTML.
//!
//! Every page is made on the server, works without a script and without a picture, and loads nothing but `style.css` of its own
//! origin. Values are escaped by the templates. This room knows no database, no request and no cookie.
