"""A client of examples/app, by python-socketio: python app.py URL says hello and prints what it hears."""
import sys

import socketio

client = socketio.SimpleClient()
client.connect(sys.argv[1], auth={"token": "secret", "name": "Ann"})
print("acknowledged with", client.call("say", "hello", timeout=10))
event, name, text = client.receive(timeout=10)
print(f"{name} {event} {text}")
client.disconnect()

try:
    socketio.SimpleClient().connect(sys.argv[1], auth={"token": "guess", "name": "Eve"})
    print("a client without the token was let in")
except socketio.exceptions.ConnectionError as err:
    print("refused:", err)
