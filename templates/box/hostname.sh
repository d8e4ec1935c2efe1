# hostname: the name that the box has in its VPC, not that of the machine under it.
case ${1-} in
    "" | -s | --short | -f | --fqdn | --long)
        printf '%s\n' "$BOX_HOSTNAME"
        ;;
    -i | -I | --ip-address | --all-ip-addresses)
        address=${BOX_HOSTNAME#ip-}
        printf '%s\n' "${address%%.*}" | tr - .
        ;;
    -d | --domain)
        echo
        ;;
    -*)
        echo "hostname: unknown option $1" >&2
        exit 1
        ;;
    *)
        echo "hostname: the name of a sandbox box cannot be changed" >&2
        exit 1
        ;;
esac
