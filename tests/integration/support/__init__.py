"""What the integration tests stand on: private servers, a running Consort, clients, comparisons."""
