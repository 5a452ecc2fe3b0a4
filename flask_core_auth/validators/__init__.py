"""Who may log in: configured users (:mod:`.local`) and the users of Auth0 tenants (:mod:`.auth0`)."""
