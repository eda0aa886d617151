"""What somebody would type into the console to get more than a page: payloads by table and mutation, tried on every parameter of every route."""
