"""The AWS back end: DynamoDB, S3, SQS and CloudWatch behind the ports.

Nothing above `storage.backend` imports this package, and that only when it opens AWS: boto3 takes
longer to load than a command without it takes to run.
"""
