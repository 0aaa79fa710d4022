"""Asks the emulated services for the errors of a table, with boto3 and with the AWS CLI.

    boto.py URL CASES

CASES is a file of JSON, with what a case is called, what it calls, and the parameters. One line of JSON comes out for each case and each of
the two: the class and the code of the exception that a user catches, or the code that the command line shows.
"""

import contextlib
import io
import json
import os
import re
import sys
import tempfile

import awscli.clidriver
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore import xform_name

once = Config(retries={"total_max_attempts": 1}, parameter_validation=False)


def endpoint(url, case):
    """A management API has its stage in its address."""
    if case["service"] == "apigatewaymanagementapi":
        return f"{url}/{case.get('stage', 'v1')}"
    return url


def with_boto(url, case, clients):
    token = case.get("token")
    key = case["service"], case.get("stage"), token
    if key not in clients:
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "aws_session_token": token} if token else {}
        clients[key] = boto3.client(case["service"], endpoint_url=endpoint(url, case), config=once, **keys)
    try:
        getattr(clients[key], xform_name(case["operation"]))(**case["parameters"])
    except ClientError as error:
        return {"class": type(error).__name__, "code": error.response["Error"]["Code"], "message": error.response["Error"].get("Message", "")}
    return {"class": "", "code": "", "message": "nothing was raised"}


def with_cli(url, case, driver, scratch):
    if case.get("token"):  # a driver keeps the credentials that it found
        os.environ["AWS_SESSION_TOKEN"] = case["token"]
        driver = awscli.clidriver.create_clidriver()
    arguments = [case["service"], xform_name(case["operation"], "-"), "--endpoint-url", endpoint(url, case)]
    for name, value in case["parameters"].items():
        text = value if isinstance(value, str) else json.dumps(value)
        arguments.append(f"--{xform_name(name, '-')}={text}")  # the id of a connection may begin with "-"
    if case["operation"] == "Invoke":
        arguments.append(scratch)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        driver.main(arguments)
    os.environ.pop("AWS_SESSION_TOKEN", None)
    found = re.search(r"An error occurred \(([^)]+)\)", said.getvalue())
    return {"code": found[1] if found else "", "message": said.getvalue()[:300]}


def main(url, cases):
    clients, driver = {}, awscli.clidriver.create_clidriver()
    with tempfile.NamedTemporaryFile() as scratch:
        for case in json.load(open(cases)):
            print(json.dumps({"by": "boto3", "name": case["name"], **with_boto(url, case, clients)}))
            print(json.dumps({"by": "the AWS CLI", "name": case["name"], **with_cli(url, case, driver, scratch.name)}))


main(*sys.argv[1:])
