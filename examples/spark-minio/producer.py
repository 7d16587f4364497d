# SPDX-License-Identifier: Apache-2.0
"""Spark Structured Streaming: a stream of ads, written as Parquet into s3a://feed/ads/dt=/hour=/minute=, a micro-batch every five seconds.

producer.py ENDPOINT CHECKPOINT: runs until it is stopped. Credentials come from the environment.
"""
import sys

from pyspark.sql import SparkSession, functions as F

HADOOP_AWS = "org.apache.hadoop:hadoop-aws:3.3.4"  # that of the Hadoop which this Spark brings


def main(endpoint, checkpoint):
    spark = (
        SparkSession.builder.master("local[1]")
        .appName("producer")
        .config("spark.jars.packages", HADOOP_AWS)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.hadoop.fs.s3a.endpoint", endpoint)
        .config("spark.hadoop.fs.s3a.path.style.access", "true")
        .config("spark.hadoop.fs.s3a.connection.ssl.enabled", str(endpoint.startswith("https")).lower())
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    n, at = F.col("value"), F.col("timestamp")
    ads = (
        spark.readStream.format("rate")
        .option("rowsPerSecond", 50)
        .load()
        .select(
            F.concat(F.lit("ad-"), n % 700).alias("id"),
            F.concat(F.lit("item-"), n % 700 % 140).alias("item_id"),
            F.concat(F.lit("espresso grinder number "), n).alias("title"),
            F.element_at(F.array(*map(F.lit, ["Acme", "Bialetti", "Caffè"])), (n % 3 + 1).cast("int")).alias("brand"),
            n.alias("serial"),
            (n % 1000 / 100).cast("decimal(6,2)").alias("price"),
            at.alias("at"),
            F.date_format(at, "yyyy-MM-dd").alias("dt"),
            F.date_format(at, "HH").alias("hour"),
            F.date_format(at, "mm").alias("minute"),
        )
    )
    query = (
        ads.writeStream.format("parquet")
        .partitionBy("dt", "hour", "minute")
        .option("path", "s3a://feed/ads")
        .option("checkpointLocation", checkpoint)
        .trigger(processingTime="5 seconds")
        .start()
    )
    query.awaitTermination()


main(*sys.argv[1:])
