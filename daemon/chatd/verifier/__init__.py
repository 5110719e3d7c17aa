"""The verifier: rules about a reply, as pure functions.  The always-on ones are in `basic`."""
